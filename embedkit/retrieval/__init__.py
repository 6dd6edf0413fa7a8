"""From a query to hits: what finds candidates, what fuses, filters, spreads and explains them."""
