"""How messages leave the site: e-mail, webhooks, Apprise and pings. Knows no models."""
