<?php

declare(strict_types=1);

namespace Example\Orders;

/** A definite answer: this call allocated nothing, and repeating it will not help. */
final class Refused extends \RuntimeException
{
}
