"""Asks the world's name servers what a rule wants to know; decides nothing."""
