"""What must survive: durable files, the database, the journal. Importing the package loads none of them."""
