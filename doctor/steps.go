package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sealcar/certfetch/revocation"
	"sealcar/crypto/ark"
)

// maxSkew is how far this machine's clock may be from the upstream's before
// certificates are judged wrongly; the skew setting covers less.
const maxSkew = 5 * time.Minute

// tls makes a connection as a request would and looks at its certificate and at
// the upstream's clock.
func (e *examination) tls(ctx context.Context) Finding {
	resp, err := e.get(ctx) //nolint:bodyclose // get closes it
	if err != nil {
		return bad(tlsNext(err), "%v", err)
	}
	if resp.TLS == nil {
		return Finding{Verdict: Unsure, Saw: "the upstream is reached without TLS", Next: "Use an https:// upstream; unsafe_upstream_http is on."}
	}
	leaf := resp.TLS.PeerCertificates[0]
	saw := fmt.Sprintf("%s, %s; its certificate %q, issued by %q, ends on %s",
		tls.VersionName(resp.TLS.Version), resp.Proto, leaf.Subject.CommonName, leaf.Issuer.CommonName, leaf.NotAfter.UTC().Format(time.DateOnly))
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		skew := e.options.Now().Sub(at).Round(time.Second)
		if skew.Abs() > maxSkew {
			return bad("Set this machine's clock (NTP): certificates are judged by it.", "%s; this machine's clock is %v off the upstream's", saw, skew)
		}
		saw += fmt.Sprintf("; the clocks agree to %v", max(skew.Abs(), time.Second))
	}
	return Finding{Verdict: Good, Saw: saw}
}

func tlsNext(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "If the upstream's authority is your own, name its roots in upstream_ca_file; else somebody may be in the way. Compare upstream_tls.pins if set."
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "The upstream refused the handshake: check upstream_tls (min_version, client_cert_file)."
	}
	return "Check the route's upstream and upstream_proxy, and that the upstream speaks TLS on that port."
}

// certificate fetches the endpoint certificate and verifies it, past every cache.
func (e *examination) certificate(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, e.options.Config.Timeouts.Certificate)
	defer cancel()
	q, missing := e.query(ctx)
	if missing != "" {
		return skipped(missing, "nothing to ask with")
	}
	chain, err := e.endpoint.Source.Fetch(ctx, q)
	if err != nil {
		return bad("docs/errors.md has what each code means.", "%v", err)
	}
	cert, path, err := e.endpoint.Verifier.VerifyPath(chain, q.AICC)
	if err != nil {
		return bad("Check certificate.roots, certificate.pins and the clock. If they are right, the certificate is not the endpoint's: somebody may be in the way.", "%v", err)
	}
	e.path = path
	return good("%q, serial %x, issued by %q, verified; in force until %s", cert.Leaf.Subject.CommonName, cert.Leaf.SerialNumber,
		cert.Leaf.Issuer.CommonName, cert.Leaf.NotAfter.UTC().Format(time.DateOnly))
}

// query is whose certificate to ask for, or what is missing to ask.
func (e *examination) query(ctx context.Context) (q ark.Query, missing string) {
	q = ark.Query{Model: e.options.Model, Credential: e.options.Credential, AICC: e.route.Certificate.AICC}
	if e.route.Certificate.Source == "file" && q.Model == "" {
		q.Model = "file" // it is every model's certificate
	}
	if q.Model == "" {
		return q, "Name an endpoint with --model."
	}
	if q.Credential == "" && e.endpoint.Credentials != nil {
		q.Credential, _ = e.endpoint.Credentials.Credential(ctx, q.Model) // without one the next line tells what to do
	}
	if q.Credential == "" && e.route.Certificate.Uses("api-key") {
		return q, "Give an application's API key with --api-key-file."
	}
	return q, ""
}

// revocation asks whether the certificate was taken back.
func (e *examination) revocation(ctx context.Context) Finding {
	switch {
	case e.path == nil:
		return skipped("", "no certificate to ask about")
	case e.endpoint.Revocation.Checker == nil:
		return skipped("Set certificate.revocation.mode to soft or hard to have it asked.", "certificate.revocation.mode is off")
	}
	status := e.endpoint.Revocation.Checker.Check(ctx, e.path)
	switch {
	case status.Verdict == revocation.Good:
		return good("not revoked; the next statement is due on %s", status.NextUpdate.UTC().Format(time.RFC3339))
	case status.Verdict == revocation.Revoked:
		return bad("Do not use this endpoint: ask the provider. The sidecar refuses it.", "revoked: %s", status.Reason)
	case e.endpoint.Revocation.Hard:
		return bad("Let this machine reach the CRL or OCSP host (certificate.revocation.allowed_hosts, upstream_proxy), or set the mode to soft.", "unknown: %s", status.Reason)
	default:
		return Finding{Verdict: Unsure, Saw: "unknown: " + status.Reason, Next: "In mode soft this does not stand in the way. Let this machine reach the CRL or OCSP host to know."}
	}
}

// chat sends one sealed chat, if it was asked for.
func (e *examination) chat(ctx context.Context) Finding {
	if !e.options.Probe {
		return skipped("Add --probe to send a sealed chat; the provider may charge for it.", "not asked for")
	}
	q, missing := e.query(ctx)
	if missing == "" && (e.options.Model == "" || q.Credential == "") {
		missing = "Give --model and --api-key-file."
	}
	if missing != "" {
		return skipped(missing, "nothing to ask with")
	}
	body := fmt.Sprintf(`{"model":%q,"max_tokens":8,"messages":[{"role":"user","content":"Say yes."}]}`, q.Model)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.origin.JoinPath(ark.BasePath, "chat/completions").String(), strings.NewReader(body))
	if err != nil {
		return bad("Check --model.", "%v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+q.Credential)
	resp, err := e.endpoint.Transport.RoundTrip(req)
	if err != nil {
		return bad("docs/errors.md has what each code means.", "%v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return bad("Try again.", "the reply broke off: %v", err)
	}
	if resp.StatusCode != http.StatusOK {
		return bad("The model server's own message says more.", "the upstream answered %s: %.300q", resp.Status, text)
	}
	return good("a sealed chat was answered, and its reply opened")
}
