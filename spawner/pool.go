package spawner

// Spare reports whether one who opens a workspace now would start at once, with
// nobody in line: then a container may be booted that nobody asked for yet.
func (s *Spawner) Spare() bool { return s.queue.spare() }
