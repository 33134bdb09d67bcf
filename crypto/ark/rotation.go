package ark

import (
	"errors"
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
	resp *http.Response
	err  error
	// suspect says that the certificate may be the reason: the endpoint may have
	// another key by now. No byte of the reply has been passed on yet.
	suspect bool
}

// carry sends the chat sealed for cert. Ark does not document what it answers
// to a request that is sealed for a key out of use, so whatever may be that
// answer makes us ask whether there is a new certificate. Only if there is, the
// chat is sealed anew, under a fresh session, and sent once more; else the first
// answer is passed on as it came.
func (a *attempt) carry(cert *Certificate) (*http.Response, error) {
	first := a.try(cert)
	if !first.suspect {
		return first.resp, first.err
	}
	waiting := time.Now()
	fresh, changed, err := a.Certificates.Renew(a.req.Context(), a.query, cert)
	a.record.Certificate += time.Since(waiting)
	if err != nil || !changed { // the certificates' own report has the error; the application's is the first answer
		return first.resp, first.err
	}
	if first.err == nil {
		_ = first.resp.Body.Close() // nobody will read it
	}
	a.record.Retried = true
	a.record.OpenedFields = 0
	second := a.try(fresh)
	return second.resp, second.err
}

// try seals the chat for cert, sends it and opens the reply.
func (a *attempt) try(cert *Certificate) outcome {
	start := time.Now()
	session, sealed, err := sealChat(cert, a.body, a.chat)
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
	body := &guardedBody{ReadCloser: resp.Body, patience: a.replyIdle()}
	resp.Body = body
	defer body.release()
	if mayMeanStale(resp.StatusCode) {
		return outcome{resp: resp, suspect: hold(resp)}
	}
	failed, err := a.openReply(resp, session, a.record)
	if err != nil {
		_ = body.Close() // the reply is given up; its error is the one that counts
		return outcome{err: err, suspect: doesNotOpen(err)}
	}
	return outcome{resp: resp, suspect: failed}
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

// doesNotOpen says whether err is that of a reply under another key, or none.
func doesNotOpen(err error) bool {
	fault, ok := errors.AsType[*apierror.Error](err)
	return ok && (fault.Code == "reply_not_authentic" || fault.Code == "reply_in_clear")
}
