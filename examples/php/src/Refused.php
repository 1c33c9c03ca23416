<?php

declare(strict_types=1);

namespace Example\Orders;

/** A definite answer: this call allocated nothing, and the same call will not do better. */
final class Refused extends \RuntimeException
{
}
