"""The parts of ``ssmi-cli report``: what is gathered, how it is drawn, and the page that holds it."""
