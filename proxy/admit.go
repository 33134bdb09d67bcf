package proxy

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"sealcar/apierror"
	"sealcar/exchange"
)

// takeBaseURL chooses the route by path.
func (v *visit) takeBaseURL(s self) *apierror.Error {
	if !allowedOrigin(v.request.Header["Origin"], s) {
		return browserOrigin()
	}
	route := v.table.byPath(rawPath(v.request.URL))
	if route == nil {
		return refusal("no_route", "No route has this path. Base URLs that sealcar serves here: %s.", strings.Join(v.table.basePaths(), ", "))
	}
	return v.takeRoute(route, route.targets[0])
}

// basePaths are the paths that base-URL mode serves, each once, for messages.
func (t *table) basePaths() []string {
	var paths []string
	for _, r := range t.routes {
		for _, b := range r.BasePaths {
			for _, path := range []string{b.From, b.To} {
				if !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
			}
		}
	}
	return paths
}

// takeRoute sends the request by a route.
func (v *visit) takeRoute(r *route, own target) *apierror.Error {
	v.route, v.record.Route, v.record.Client = r, r.Name, v.client
	path := rawPath(v.request.URL)
	if what := ambiguous(path); what != "" {
		return refusal("ambiguous_path", "The request's path has %s, so that two servers could read it differently. Send the plain path.", what)
	}
	if upgrade := v.request.Header.Values("Upgrade"); !onlyH2C(upgrade) {
		return refusal("upgrade_refused", "Protocol upgrades cannot be sealed. Send a plain HTTP request.")
	}
	u, err := r.upstreamURL(own, path, v.request.URL.RawQuery)
	if err != nil {
		return refusal("ambiguous_path", "The request's path cannot be read: %v.", err)
	}
	v.url = u
	return nil
}

// onlyH2C reports whether the Upgrade header offers nothing but h2c, as the
// JDK's client always does; a server may ignore that offer.
func onlyH2C(upgrade []string) bool {
	for _, line := range upgrade {
		for token := range strings.SplitSeq(line, ",") {
			if token = strings.TrimSpace(token); token != "" && !strings.EqualFold(token, "h2c") {
				return false
			}
		}
	}
	return true
}

// takeDirect sends the request to a host without a route, as the application
// meant it: over plain HTTP, if it may at all.
func (v *visit) takeDirect() *apierror.Error {
	if refused := v.mayLeave(); refused != nil {
		return refused
	}
	if v.record.Door == doorConnectTLS {
		return refusal("no_route", "%s has no route any more. Connect again.", v.target)
	}
	v.record.Treatment = exchange.Forwarded
	if looksLikeLLMCall(v.request) {
		if !v.table.config.Egress.UnsafeForwardLLM {
			v.record.Treatment = exchange.Refused
			return refusal("unsealed_llm_call", "This looks like a call of a language model, and %s has no route that could seal it. Add a route for the host, or set egress.unsafe_forward_llm to send such calls in clear.", v.target.host)
		}
		v.record.Treatment = exchange.Plaintext
	}
	u := *v.request.URL
	u.User = nil
	if !u.IsAbs() {
		u.Scheme, u.Host = "http", v.target.String()
	}
	v.url = &u
	return nil
}

// mayLeave checks a target without a route against egress and the routes.
func (v *visit) mayLeave() *apierror.Error {
	if r, _ := v.table.claim(v.target, ""); r != nil {
		return refusal("routed_host_port", "Route %q serves %s on ports 443 and 80 only. Use one of them, or name the port in the route's hosts.", r.Name, v.target.host)
	}
	return v.table.egress.check(v.target)
}

// enterConnect decides whether a CONNECT is taken apart or tunnelled.
func (v *visit) enterConnect(s self) *apierror.Error {
	r := v.request
	if innerOf(r) != nil {
		return refusal("nested_connect", "A CONNECT inside a CONNECT cannot be sealed. Use sealcar as the only proxy, and give a proxy beyond it to the route as upstream_proxy.")
	}
	if r.ProtoMajor > 1 {
		return refusal("http2_connect", "A CONNECT is taken over HTTP/1.1 only. Send it by that to sealcar; what is inside may be HTTP/2 over TLS.")
	}
	t, err := parseTarget(r.URL.Host, "")
	if err != nil {
		return refusal("invalid_host", "The target of the CONNECT: %v.", err)
	}
	v.target = t
	if s.isDataPort(t) {
		v.intercept = true
		return nil
	}
	if v.route, _ = v.table.match(t, ""); v.route != nil {
		v.record.Route = v.route.Name
		v.intercept = true
		return nil
	}
	return v.mayLeave()
}

// llmPaths end the paths of language model APIs: OpenAI's and those like it,
// Anthropic's, Ark's, Ollama's and Cohere's.
//
//nolint:gochecknoglobals // immutable table
var llmPaths = []string{
	"/completions", "/responses", "/messages", "/embeddings", "/embeddings/multimodal", "/moderations",
	"/images/generations", "/images/edits", "/images/variations",
	"/audio/speech", "/audio/transcriptions", "/audio/translations",
	"/contents/generations/tasks", "/context/create", "/tokenization", "/rerank",
	"/api/chat", "/api/generate", "/api/embed", "/realtime",
	":generatecontent", ":streamgeneratecontent", ":embedcontent", ":batchembedcontents", // Gemini's
}

// looksLikeLLMCall reports whether a request would carry content to a language
// model if its path means what such paths usually mean.
func looksLikeLLMCall(r *http.Request) bool {
	bodyless := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if bodyless && r.ContentLength == 0 && onlyH2C(r.Header["Upgrade"]) {
		return false
	}
	return slices.ContainsFunc(readings(r.URL.Path), func(reading string) bool {
		return slices.ContainsFunc(llmPaths, func(end string) bool { return strings.HasSuffix(reading, end) })
	})
}

// readings are what servers may make of a decoded path, in lower case: some take
// \ for /, leave out parameters or what is behind a ? or #, though those were
// encoded, or resolve dot segments.
func readings(decoded string) []string {
	whole := strings.ReplaceAll(strings.ToLower(decoded), `\`, "/")
	shorter, _, _ := strings.Cut(strings.ReplaceAll(whole, "#", "?"), "?")
	var all []string
	for _, reading := range []string{whole, shorter} {
		segments := strings.Split(reading, "/")
		for i, segment := range segments {
			segments[i], _, _ = strings.Cut(segment, ";")
		}
		reading = strings.Join(segments, "/")
		for _, p := range []string{reading, path.Clean(reading)} {
			all = append(all, strings.TrimRightFunc(p, func(c rune) bool { return c == '/' || c <= ' ' }))
		}
	}
	return all
}
