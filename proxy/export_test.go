package proxy

// What tests of inner rules need: tables of strings that would be hard to send.
var (
	Ambiguous  = ambiguous
	StartsHTTP = startsHTTP
	Clip       = clip
	Peerless   = peerless

	MaxAdminConnections = maxAdminConnections
)

// FillPreambles takes all places for CONNECTs that are being opened, until free.
func (p *Proxy) FillPreambles() (free func()) {
	for range cap(p.preambles) {
		p.preambles <- struct{}{}
	}
	return func() {
		for range cap(p.preambles) {
			<-p.preambles
		}
	}
}

// ParseTarget gives host and port apart.
func ParseTarget(s, defaultPort string) (host, port string, err error) {
	t, err := parseTarget(s, defaultPort)
	return t.host, t.port, err
}
