FROM site-base:1
