package ark

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
)

// attempt is a chat that can be sealed and sent, more than once if need be: its
// body is in memory.
type attempt struct {
	*Transport
	req     *http.Request
	further http.Header // to send besides the protocol's own
	body    []byte
	chat    *chatRequest
	query   Query
	record  *exchange.Record
}

// outcome is what one attempt came to.
type outcome struct {
	resp *http.Response // nil if nothing came
	err  error          // what the application gets in place of resp
	// symptom is set if the certificate may be the reason: the endpoint may have
	// another key by now. No byte of the reply has been passed on yet.
	symptom string
}

// carry sends the chat sealed for cert. Ark does not document what it answers
// to a request that is sealed for a key out of use, so whatever may be that
// answer makes us ask whether there is a new certificate. Only if there is, the
// chat is sealed anew, under a fresh session, and sent once more; else the first
// answer is passed on as it came. The same goes for an API key of ours that is
// refused.
func (a *attempt) carry(cert *Certificate) (*http.Response, error) {
	first := a.try(cert)
	if first.symptom == "" {
		return first.result()
	}
	a.query.Symptom = first.symptom
	waiting := time.Now()
	newKey := first.resp != nil && first.resp.StatusCode == http.StatusUnauthorized && a.renewKey()
	fresh, newCertificate := a.renewCertificate(cert)
	a.record.Certificate += time.Since(waiting)
	if !newKey && !newCertificate {
		return first.result()
	}
	if first.resp != nil {
		_ = first.resp.Body.Close() // nobody will read it
	}
	a.record.Retried = true
	a.record.OpenedFields, a.record.RepeatedTags, a.record.ReplyResidue = 0, 0, nil
	second := a.try(fresh)
	return second.result()
}

// result is an outcome as an http.RoundTripper has it: one or the other.
func (o outcome) result() (*http.Response, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.resp, nil
}

// renewCertificate gives the certificate to seal for from now on, and whether
// that is another one than cert. A failure is in the certificates' own report;
// what the application is told is the first answer.
func (a *attempt) renewCertificate(cert *Certificate) (fresh *Certificate, changed bool) {
	fresh, changed, err := a.Certificates.Renew(a.req.Context(), a.query, cert)
	if err != nil || !changed {
		return cert, false
	}
	if a.Sessions != nil {
		a.Sessions.Forget(cert.PublicKey)
	}
	return fresh, true
}

// renewKey replaces an API key that is ours, if there is another one.
func (a *attempt) renewKey() (changed bool) {
	if !injected(a.further) {
		return false
	}
	key, changed, err := a.Credentials.Renew(a.req.Context(), a.chat.model, a.query.Credential)
	if err != nil || !changed {
		return false
	}
	a.query.Credential, a.further = key, authorization(key)
	return true
}

// try seals the chat for cert, sends it and opens the reply.
func (a *attempt) try(cert *Certificate) outcome {
	start := time.Now()
	session, err := a.session(cert)
	if err != nil {
		return outcome{err: fmt.Errorf("starting a session for model %q: %w", a.chat.model, err)}
	}
	sealed, tags, err := a.chat.seal(session, a.body)
	if err != nil {
		return outcome{err: err}
	}
	headers := a.headers(session, cert)
	maps.Copy(headers, a.further)
	a.record.Treatment = exchange.Sealed
	a.record.SealedFields = len(a.chat.secret)
	a.record.Seal += time.Since(start)
	resp, err := a.send(a.req, sealed, headers, a.record)
	if err != nil {
		return outcome{err: err}
	}
	exchange.DropDetours(resp.Header)
	body := &guardedBody{ReadCloser: resp.Body, patience: a.replyIdle()}
	resp.Body = body
	defer body.release()
	if resp.StatusCode >= http.StatusBadRequest {
		return a.failed(resp)
	}
	failed, err := a.openReply(resp, &opener{session: session, stream: a.chat.stream, tags: tags, policy: a.ClearReply, record: a.record})
	if err != nil {
		_ = body.Close() // the reply is given up; its error is the one that counts
		return outcome{err: err, symptom: doesNotOpen(err)}
	}
	if failed {
		return outcome{resp: resp, symptom: "an error in a success"}
	}
	return outcome{resp: resp}
}

// mayMeanStale lists the statuses that an endpoint may answer with when it
// cannot open a request.
func mayMeanStale(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

// doesNotOpen gives the code of err if that is of a reply under another key, or
// none.
func doesNotOpen(err error) (symptom string) {
	fault, ok := errors.AsType[*apierror.Error](err)
	if ok && (fault.Code == "reply_not_authentic" || fault.Code == "reply_in_clear") {
		return fault.Code
	}
	return ""
}
