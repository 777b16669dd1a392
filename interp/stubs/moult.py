"""What `import moult` finds outside of Moult, when this folder is on the path for the sake of moult.pyi."""

raise ImportError("moult is there only inside an app that Moult serves: moultd run app.py", name="moult")
