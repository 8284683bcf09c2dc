"""SQL: the truth about inventory, and a projection of processes for lists, audit and mail (SPEC D1).

Tables are in `storage.tables`, one module of queries per theme beside it. Queries take a session, return
domain models or small frozen dataclasses, and never commit: the transaction belongs to the caller.
"""
