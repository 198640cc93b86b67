"""Print where the faces of a picture look.

python examples/find_faces.py PHOTO
"""

import sys

import omote

for number, face in enumerate(omote.find_faces(sys.argv[1])):
    yaw, pitch, roll = face.pose or (0, 0, 0)
    print(f"face {number}: {face.width:.0f} px wide, yaw {yaw:.0f}°, pitch {pitch:.0f}°, roll {roll:.0f}°")
