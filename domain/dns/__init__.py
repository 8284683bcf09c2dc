"""What the customer's DNS has to say, and how an answer is judged. Pure: nothing here asks anybody."""
