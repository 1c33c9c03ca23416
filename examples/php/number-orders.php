<?php

/*
 * php number-orders.php allocate COUNT   numbers the orders php-1 to php-COUNT of store 7
 * php number-orders.php watch FILE       prints every order; FILE keeps where to resume
 *
 * ORDERS_URL is the server (http://127.0.0.1:3000), ORDERS_TOKEN its token, ORDERS_CLIENT_TLS_CA the PEM file of its CA.
 */

declare(strict_types=1);

require __DIR__ . '/vendor/autoload.php';

use Example\Orders\OrderNumbers;

function show(array $allocation): void
{
    echo "{$allocation['requestId']} {$allocation['orderId']} {$allocation['displayNumber']}\n";
}

if ($argc !== 3) {
    fwrite(STDERR, "usage: allocate COUNT | watch FILE\n");
    exit(2);
}
$orders = new OrderNumbers(
    getenv('ORDERS_URL') ?: 'http://127.0.0.1:3000',
    getenv('ORDERS_TOKEN') ?: null,
    getenv('ORDERS_CLIENT_TLS_CA') ?: null,
);
[, $command, $argument] = $argv;
try {
    if ($command === 'watch') {
        foreach ($orders->watch($argument) as $allocation) {
            show($allocation);
        }
    }
    for ($i = 1; $i <= (int) $argument; $i++) {
        show($orders->allocate('7', "php-$i"));
    }
} catch (\RuntimeException $failed) {
    fwrite(STDERR, $failed->getMessage() . "\n");
    exit(1);
}
