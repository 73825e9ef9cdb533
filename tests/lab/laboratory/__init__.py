"""The laboratory: real mail servers of Debian's that play Exchange Online, in a throw-away directory."""
