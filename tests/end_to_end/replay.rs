//! Dead letters go back, come home or come back, and are parked in the end (I7).
