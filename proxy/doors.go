package proxy

import (
	"fmt"
	"net/http"
	"net/url"

	"sealcar/apierror"
	"sealcar/exchange"
)

// The doors, as exchange.Record names them.
const (
	doorAbsolute     = "absolute"      // GET http://host/path, to us as a proxy
	doorConnectTLS   = "connect-tls"   // CONNECT, then TLS that ends here
	doorConnect      = "connect"       // CONNECT itself, refused or tunnelled
	doorConnectPlain = "connect-plain" // CONNECT, then HTTP in clear
	doorBaseURL      = "base-url"      // GET /path, to us as the API server
)

// doorOf tells the door by the form of a request; a target that is sealcar itself
// makes it doorBaseURL later. HTTP/2 to the data port is never a proxy's (asHTTP1).
func doorOf(r *http.Request) string {
	inner := innerOf(r)
	switch {
	case r.Method == http.MethodConnect:
		return doorConnect
	case inner != nil:
		return inner.door
	case r.ProtoMajor < 2 && r.URL.IsAbs():
		return doorAbsolute
	default:
		return doorBaseURL
	}
}

// ServeHTTP is where every request comes in, through whichever door.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := p.acquire()
	if t == nil {
		stopping := &apierror.Error{Status: http.StatusServiceUnavailable, Code: "stopping", Message: "sealcar is stopping; try again"}
		inForm(stopping, p.options.ErrorForm, r.Header).Write(w)
		return
	}
	defer p.release(t)
	v := &visit{
		table:   t,
		start:   p.options.Now(),
		record:  &exchange.Record{ID: p.newID(), Door: doorOf(r), Treatment: exchange.Refused}, // until something is sent
		request: r,

		errorForm: p.options.ErrorForm,
		reply:     newReply(w, r, t.config.Timeouts.StreamIdle),
	}
	defer p.finish(v)
	if !r.ProtoAtLeast(1, 1) {
		// net/http takes a Transfer-Encoding in HTTP/1.0 for nothing, and what it
		// frames for another request (RFC 9112 section 6.1 wants the connection closed).
		w.Header().Set("Connection", "close")
	}
	refused := p.clients.admit(v)
	if refused == nil {
		refused = v.enter(p.self)
	}
	if refused == nil {
		refused = v.checkHead()
	}
	switch {
	case refused != nil:
		v.refuse(refused)
	case r.Method == http.MethodConnect:
		p.connect(v)
	default:
		p.forwardIfRoom(v)
	}
}

// refuse answers in place of an upstream. The answer has the id of its line in the
// log, by the names that SDKs look for: OpenAI's, then Anthropic's.
func (v *visit) refuse(e *apierror.Error) {
	v.refusal = e
	h := v.reply.Header()
	h.Set("X-Request-Id", v.record.ID)
	h.Set("Request-Id", v.record.ID)
	v.record.ReportRequest(h)
	inForm(e, v.errorForm, v.request.Header).Write(v.reply)
}

// inForm is e in the form that whoever sent these headers reads, unless it has one.
func inForm(e *apierror.Error, formOf func(http.Header) func(*apierror.Error) []byte, sent http.Header) *apierror.Error {
	if formOf == nil || e.Form != nil {
		return e
	}
	formed := *e
	formed.Form = formOf(sent)
	return &formed
}

// refusal is the 400 that most of them are.
func refusal(code, format string, args ...any) *apierror.Error {
	return &apierror.Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// enter finds out where a request wants to go and whether it may.
func (v *visit) enter(s self) *apierror.Error {
	if refused := v.asHTTP1(); refused != nil {
		return refused
	}
	if v.request.Method == http.MethodConnect {
		return v.enterConnect(s)
	}
	base, err := v.findTarget(s)
	if err != nil {
		return err
	}
	if base {
		return v.takeBaseURL(s)
	}
	find := v.table.match
	if v.record.Door == doorBaseURL {
		find = v.table.claim // a routed name that resolves to us comes with our port
	}
	if route, own := find(v.target, rawPath(v.request.URL)); route != nil {
		return v.takeRoute(route, own)
	}
	return v.takeDirect()
}

// findTarget sets the target, or reports base-URL mode.
func (v *visit) findTarget(s self) (base bool, refused *apierror.Error) {
	r := v.request
	inner := innerOf(r)
	switch {
	case inner != nil:
		v.target = inner.target
		refused = sameTarget(r.Host, inner)
	case v.record.Door == doorAbsolute:
		v.target, refused = absoluteTarget(r.URL)
	default:
		return v.findOrigin(s)
	}
	if refused == nil && s.isDataPort(v.target) {
		v.record.Door, v.target = doorBaseURL, target{}
		return true, nil
	}
	return false, refused
}

// sameTarget checks that a request inside a CONNECT is for whom the CONNECT was.
func sameTarget(host string, inner *innerConn) *apierror.Error {
	t, err := parseTarget(host, inner.target.port)
	if err != nil || t != inner.target {
		return refusal("host_mismatch", "The request's Host is not the host and port that its CONNECT named. Send requests for another host through a CONNECT of their own.")
	}
	return nil
}

func absoluteTarget(u *url.URL) (target, *apierror.Error) {
	defaultPort := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if defaultPort == "" {
		return target{}, refusal("unsupported_scheme", "Only http and https URLs can be sent through sealcar.")
	}
	if u.User != nil {
		return target{}, refusal("invalid_host", "The request's URL holds credentials before the host. Send them in the Authorization header.")
	}
	t, err := parseTarget(u.Host, defaultPort)
	if err != nil {
		return target{}, refusal("invalid_host", "The request's URL: %v.", err)
	}
	return t, nil
}

// findOrigin takes a request for /path sent straight to the data port. A
// browser that was told a name of the attacker's resolves to loopback would do
// that too, so names are taken that only the user can have meant.
func (v *visit) findOrigin(s self) (base bool, refused *apierror.Error) {
	r := v.request
	t, err := parseTarget(r.Host, "80")
	if err != nil {
		return false, refusal("unknown_host", "The Host header: %v. Send sealcar's own address, or the host of a route.", err)
	}
	if !allowedOrigin(r.Header["Origin"], s) {
		return false, browserOrigin()
	}
	if s.isDataPort(t) {
		return true, nil
	}
	if route, _ := v.table.claim(t, ""); route != nil {
		v.target = t
		return false, nil
	}
	if s.answersTo(t.host) || v.table.allows(t) {
		return true, nil
	}
	return false, refusal("unknown_host", "The Host header names %q, which is neither sealcar nor the host of a route. Add it to allowed_hosts if it is sealcar's.", t.host)
}

func browserOrigin() *apierror.Error {
	return refusal("browser_origin", "The request comes from a web page, which may not use sealcar. Send it from a program, without an Origin header.")
}

// allowedOrigin reports whether every Origin, if any, is the data port itself.
func allowedOrigin(origins []string, s self) bool {
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" {
			return false
		}
		if t, err := parseTarget(u.Host, "80"); err != nil || !s.isDataPort(t) {
			return false
		}
	}
	return true
}
