package config

// Machine is what this process may use of the machine it runs on.
type Machine struct {
	Memory int64 // bytes that the runtime is to keep to; 0: no limit is known
	Files  int64 // descriptors; 0: no limit is known
}

// What limits of 0 stand for where the machine sets none.
const (
	maxConnections = 16384
	maxRequests    = 4096
	maxBuffered    = 1 << 30
)

// What one of a kind costs, generously, and what there is before the first.
const (
	baseMemory       = 24 << 20 // an idle sidecar
	connectionMemory = 20 << 10 // a kept-alive connection without a request: two stacks, two buffers
	requestMemory    = 64 << 10 // an open stream, its upstream's side included, without its body
	baseFiles        = 256      // listeners, files, what looks after certificates
	connectionFiles  = 2        // the application's side and the upstream's
)

// Fit is c with its limits of 0 replaced by what fits the machine, so that a small
// container refuses what would end it. What the memory limit leaves beside an
// idle sidecar is shared out: half of it for bodies, a quarter for connections
// and a quarter for requests.
func (c *Config) Fit(m Machine) *Config {
	fitted := *c
	l := &fitted.Limits
	connections, requests, buffered := int64(maxConnections), int64(maxRequests), int64(maxBuffered)
	if m.Memory > 0 {
		spare := max(m.Memory-baseMemory, m.Memory/4)
		connections = min(connections, spare/4/connectionMemory)
		requests = min(requests, spare/4/requestMemory)
		buffered = spare / 2
	}
	if m.Files > 0 {
		connections = min(connections, (m.Files-baseFiles)/connectionFiles)
	}
	if l.Connections == 0 {
		l.Connections = int(max(connections, 1))
	}
	if l.Requests == 0 {
		l.Requests = int(max(requests, 1))
	}
	if l.BufferedBytes == 0 {
		l.BufferedBytes = Bytes(max(buffered, 1))
	}
	return &fitted
}
