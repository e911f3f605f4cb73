"""The inventory service: how many of each product there are, and who holds them.

Owns schema `inventory`. Calls nobody. Promises that a reservation happens once per order however
often it is asked for, that a release wins over a reserve that comes later, and that
stock + reserved + sold = total at every instant. Start reading at `store.py`.
"""
