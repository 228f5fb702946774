"""The presentation written anew from run records: slides as plain data, and a writer for each format."""
