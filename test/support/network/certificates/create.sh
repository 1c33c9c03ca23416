#!/bin/sh
# Creates the certificates of certificates.ts that an authority has signed, with openssl 3: sh create.sh, in this folder.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index"
cat > "$work/config" << CONFIG
[ca]
default_ca = authority
[authority]
database = $work/index
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
[policy]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
[authority_extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
CONFIG

# sign NAME AUTHORITY EXTENSION FROM UNTIL: NAME.key, and NAME.crt, valid in these years
sign() {
  openssl req -config "$work/config" -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj "/CN=$1" \
    -keyout "$1.key" -out "$work/$1.csr" 2> "$work/log" || cat "$work/log"
  [ "$1" = "$2" ] && issuer=-selfsign || issuer="-cert $2.crt"
  printf '[extensions]\n%s\n' "$3" > "$work/extensions"
  # shellcheck disable=SC2086
  openssl ca -config "$work/config" -batch -notext $issuer -keyfile "$2.key" -extfile "$work/extensions" \
    -extensions extensions -startdate "${4}0101000000Z" -enddate "${5}0101000000Z" \
    -in "$work/$1.csr" -out "$1.crt" 2> "$work/log" || cat "$work/log"
}

AUTHORITY='basicConstraints = critical, CA:TRUE'
HERE='subjectAltName = IP:127.0.0.1, DNS:localhost'
CHECKOUT='subjectAltName = URI:spiffe://example.com/checkout, DNS:checkout.example.com'

sign authority authority "$AUTHORITY" 2020 2126
sign other-authority other-authority "$AUTHORITY" 2020 2126
sign between authority "$AUTHORITY" 2020 2126

sign signed authority "$HERE" 2020 2126
sign rotated authority "$HERE" 2020 2126
sign misnamed authority 'subjectAltName = DNS:other.example.com' 2020 2126
sign expired authority "$HERE" 2020 2021
sign future authority "$HERE" 2125 2126
sign chained between "$HERE" 2020 2126
cat between.crt >> chained.crt
openssl pkey -in signed.key -aes128 -passout pass:secret -out encrypted.key

sign checkout authority "$CHECKOUT" 2020 2126
sign expired-checkout authority "$CHECKOUT" 2020 2021
sign stranger other-authority "$CHECKOUT" 2020 2126
# A name that looks like two.
sign forged authority 'subjectAltName = @names
[names]
URI.1 = "spiffe://example.com/a, DNS:checkout.example.com"
DNS.1 = forged.example.com' 2020 2126
rm between.crt between.key
# Without key identifiers, so that only its signatures tell it from the authority whose name it has.
cat > "$work/namesake" << CONFIG
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
[extensions]
basicConstraints = critical, CA:TRUE
subjectKeyIdentifier = none
authorityKeyIdentifier = none
CONFIG
openssl req -x509 -config "$work/namesake" -nodes -days 36500 -subj /CN=authority \
  -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -keyout namesake.key -out namesake.crt 2> "$work/log" || cat "$work/log"
