users()
