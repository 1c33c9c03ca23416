<?php

declare(strict_types=1);

namespace Example\Orders;

/** Numbers orders exactly once, and follows the numbers that are given. Ids and numbers are strings: they are 64 bits. */
final class OrderNumbers
{
    private const MAY_HAVE_SUCCEEDED = ['unavailable', 'deadline_exceeded', 'canceled'];
    private const ATTEMPT_S = 5;
    private const OVERALL_S = 60;
    private const MAX_BACKOFF_MS = 2000;
    private const POLL_S = 1;

    private readonly \CurlHandle $curl;

    public function __construct(private readonly string $url, ?string $token = null, ?string $caFile = null)
    {
        $headers = ['Content-Type: application/json', ...($token ? ["Authorization: Bearer $token"] : [])];
        $this->curl = curl_init(); // One handle keeps one connection open for all calls.
        curl_setopt_array($this->curl, [
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_TIMEOUT => self::ATTEMPT_S,
        ]);
        if ($caFile !== null) {
            curl_setopt($this->curl, CURLOPT_CAINFO, $caFile);
        }
    }

    /** Returns the allocation of an order: the same one however often this is called with the same request id. */
    public function allocate(string $storeId, string $requestId): array
    {
        return $this->call('AllocateOrder', ['storeId' => $storeId, 'requestId' => $requestId])['allocation'];
    }

    /**
     * Yields every allocation in order_id order, and waits for more: PHP asks rather than hold a stream open. One whose
     * handling was interrupted comes again after a restart.
     */
    public function watch(string $cursorFile): \Generator
    {
        while (true) {
            $cursor = is_file($cursorFile) ? file_get_contents($cursorFile) : '0';
            $page = $this->call('ListAllocations', ['afterOrderId' => $cursor, 'pageSize' => 1000])['allocations'];
            foreach ($page as $allocation) {
                yield $allocation;
                $cursor = (string) ($allocation['orderId'] + ($allocation['count'] - 1));
            }
            if ($page === []) {
                sleep(self::POLL_S);
                continue;
            }
            file_put_contents("$cursorFile.next", $cursor);
            rename("$cursorFile.next", $cursorFile);
        }
    }

    /** The one rule: a call that may have succeeded is repeated as it is, with the same request id. */
    private function call(string $method, array $request): array
    {
        $giveUp = microtime(true) + self::OVERALL_S;
        curl_setopt($this->curl, CURLOPT_URL, "$this->url/orders.v1.OrderNumberService/$method");
        curl_setopt($this->curl, CURLOPT_POSTFIELDS, json_encode($request, JSON_THROW_ON_ERROR));
        for ($attempt = 0; ; $attempt++) {
            $body = curl_exec($this->curl);
            $answer = is_string($body) ? json_decode($body, true) : null;
            if (is_array($answer) && curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE) === 200) {
                return $answer;
            }
            $code = $answer['code'] ?? 'unavailable';
            $details = array_column($answer['details'] ?? [], 'debug', 'type');
            $info = $details['google.rpc.ErrorInfo'] ?? [];
            $retryDelay = $details['google.rpc.RetryInfo']['retryDelay'] ?? null; // Such as "0.100s".
            $isOurs = ($info['domain'] ?? '') === 'orders.v1';
            $message = $answer['message'] ?? curl_error($this->curl);
            if ($isOurs && !in_array($code, self::MAY_HAVE_SUCCEEDED, true) && $retryDelay === null) {
                throw new Refused("{$info['reason']}: $message");
            }
            if (microtime(true) > $giveUp) {
                // Nothing is settled: call again later, with the same request id.
                throw new \RuntimeException("gave up, run it again: $code: $message");
            }
            error_log("$code: $message; trying again");
            $backoffMs = random_int(0, min(self::MAX_BACKOFF_MS, 50 << min($attempt, 10)));
            usleep((int) (1e6 * (float) $retryDelay) + 1000 * $backoffMs);
        }
    }
}
