# frozen_string_literal: true

require "json"
require "net/http"

# Numbers orders exactly once, over HTTP with JSON.
module OrderNumbers
  # A definite answer: this call allocated nothing, and repeating it will not help.
  class Refused < StandardError; end

  # The call may have succeeded: repeat it with the same request_id.
  class Unanswered < StandardError; end

  MAY_HAVE_SUCCEEDED = %w[unavailable deadline_exceeded canceled].freeze
  URI_OF_CALL = URI("#{ENV.fetch("ORDERS_URL", "http://127.0.0.1:3000")}/orders.v1.OrderNumberService/AllocateOrder")

  # Returns the display number of an order: the same one however often it is called with the same request_id.
  def self.allocate(store_id:, request_id:)
    response = post(storeId: store_id.to_s, requestId: request_id)
    answer = JSON.parse(response.body)
    return answer.fetch("allocation").fetch("displayNumber") if response.is_a?(Net::HTTPOK)

    details = answer.fetch("details", []).to_h { |detail| [detail["type"], detail["debug"]] }
    info = details.fetch("google.rpc.ErrorInfo", {})
    is_definite = info["domain"] == "orders.v1" && !MAY_HAVE_SUCCEEDED.include?(answer["code"])
    message = "#{request_id}: #{info["reason"]}: #{answer["message"]}"
    raise Refused, message if is_definite && !details.key?("google.rpc.RetryInfo")

    raise Unanswered, message
  rescue SystemCallError, SocketError, IOError, Timeout::Error, OpenSSL::SSL::SSLError, JSON::ParserError => error
    raise Unanswered, "#{request_id}: #{error.message}"
  end

  def self.post(body)
    headers = { "Content-Type" => "application/json" }
    headers["Authorization"] = "Bearer #{ENV["ORDERS_TOKEN"]}" if ENV["ORDERS_TOKEN"]
    options = { use_ssl: URI_OF_CALL.scheme == "https", open_timeout: 2, read_timeout: 5 }
    Net::HTTP.start(URI_OF_CALL.hostname, URI_OF_CALL.port, options) do |http|
      http.post(URI_OF_CALL.path, body.to_json, headers)
    end
  end
  private_class_method :post
end
