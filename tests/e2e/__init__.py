"""The real executables between real servers and phones, and a simulated iChat, on loopback."""
