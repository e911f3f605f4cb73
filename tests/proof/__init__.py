"""The proof is tested by breaking each promise and seeing exactly that one turn red."""
