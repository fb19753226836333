"""What a person may do and ask, as functions. The routes and the `stonks` command share them."""
