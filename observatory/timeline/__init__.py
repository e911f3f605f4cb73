"""What the presenter did and what the platform did about it, measured by the platform itself.

Facts go one way: the gremlins' diary becomes windows (windows.py), the lights' changes are noted
as they happen (notes.py), both together are incidents (incident.py), watched and kept by
chronicle.py and told in sentences by tell.py."""
