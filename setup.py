"""For pip before 21.3, which knows no other way to install a checkout: says how to get on."""

raise SystemExit('error: this pip is too old for a checkout: run `pip install "pip==21.3.1"`, and then this again.')
