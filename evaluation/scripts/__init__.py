"""Scripts behind the documentation's tables, pictures and experiments; none of them is needed to use ecggen."""
