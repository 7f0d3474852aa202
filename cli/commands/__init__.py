"""One file a verb of ssmi-cli: it parses, calls the application, prints."""
