"""omote-mesh: the 478-point face mesh network, distilled from MediaPipe's face landmark network."""
