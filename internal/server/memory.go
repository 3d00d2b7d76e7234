package server

// heapFloor is garbage that may always gather before it is collected, however little is alive.
//
// Go collects when the heap has doubled. A server with few jobs has some ten megabytes alive and makes them anew many
// times a second under load: a profile of submits showed an eighth of the processor time in the
// collector. A block that is never touched costs address space and no memory, and counts as alive.
const heapFloor = 32 << 20

// newHeapFloor answers the block, which must be kept for as long as the floor is to hold; none where
// the operator tuned the collector by the variables of Go's runtime.
func newHeapFloor(env func(string) (string, bool)) []byte {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, ok := env(name); ok {
			return nil
		}
	}
	return make([]byte, heapFloor)
}
