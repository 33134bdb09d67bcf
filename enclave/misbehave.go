package enclave

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// misbehaviour is what an enclave does wrong on purpose, so that its clients can
// be tested against it. The zero value does nothing wrong.
type misbehaviour struct {
	forge       forgery                         // of the endpoint's certificates
	certificate http.HandlerFunc                // answers in place of both certificate endpoints
	reply       func(http.Handler) http.Handler // wraps the chats
	rotateEvery int64                           // chats between two rotations of the key

	noCertificateFor string // the model for which the data plane has none; "" means every model has one
}

// Misbehaviour is one thing that an enclave can do wrong.
type Misbehaviour struct {
	Name    string // in Options.Misbehave; NAME=VALUE if it takes a value
	Value   string // what stands for the value in help; "" if it takes none
	Meaning string

	set func(m *misbehaviour, value string, now func() time.Time) error
}

// Misbehaviours lists them all. Of those with the same first word one can be
// chosen.
func Misbehaviours() []Misbehaviour {
	return []Misbehaviour{
		forged("leaf-expired", "the endpoint's certificate has expired", expire),
		forged("leaf-foreign-root", "it comes from another root with the same name", reissueAbroad),
		forged("leaf-wrong-eku", "it is for TLS clients", forClients),
		forged("leaf-wrong-ku", "its key is not for key agreement", withoutAgreement),
		answered("certificate-500", "the certificate endpoints answer 500", certificate500),
		answered("certificate-html", "they answer a page for people", certificateHTML),
		answered("certificate-huge", "they answer 100 MB", certificateHuge),
		answered("certificate-drip", "they answer a byte now and then, without end", certificateDrip),
		answered("certificate-hang", "they never answer", certificateHang),
		answered("certificate-wrong-model", "they know no model", certificateWrongModel),
		replied("reply-plaintext", "chats are answered in clear", canned(func() string { return "This was never sealed." })),
		replied("reply-bad-tag", "chats are answered with what does not open", canned(noise)),
		replied("reply-truncated", "replies break off", truncated),
		{"certificate-500-for", "MODEL", "the data plane's answers 500 for this model", setNoCertificate},
		{"rotate", "N", "the endpoint's key is rotated before every Nth chat", setRotation},
	}
}

func forged(name, meaning string, forge forgeryAt) Misbehaviour {
	return Misbehaviour{name, "", meaning, func(m *misbehaviour, _ string, now func() time.Time) error {
		if m.forge != nil {
			return errTwice
		}
		m.forge = forge(now)
		return nil
	}}
}

func answered(name, meaning string, answer http.HandlerFunc) Misbehaviour {
	return Misbehaviour{name, "", meaning, func(m *misbehaviour, _ string, _ func() time.Time) error {
		if m.certificate != nil {
			return errTwice
		}
		m.certificate = answer
		return nil
	}}
}

func replied(name, meaning string, wrap func(http.Handler) http.Handler) Misbehaviour {
	return Misbehaviour{name, "", meaning, func(m *misbehaviour, _ string, _ func() time.Time) error {
		if m.reply != nil {
			return errTwice
		}
		m.reply = wrap
		return nil
	}}
}

func setNoCertificate(m *misbehaviour, model string, _ func() time.Time) error {
	if model == "" {
		return errors.New("it names no model")
	}
	m.noCertificateFor = model
	return nil
}

func setRotation(m *misbehaviour, value string, _ func() time.Time) error {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of chats, 1 or more", value)
	}
	m.rotateEvery = n
	return nil
}

// parseMisbehaviour reads Options.Misbehave.
func parseMisbehaviour(list []string, now func() time.Time) (misbehaviour, error) {
	var m misbehaviour
	for _, item := range list {
		if err := m.add(item, now); err != nil {
			return misbehaviour{}, fmt.Errorf("misbehaviour %q: %w", item, err)
		}
	}
	return m, nil
}

func (m *misbehaviour) add(item string, now func() time.Time) error {
	name, value, given := strings.Cut(item, "=")
	var names []string
	for _, known := range Misbehaviours() {
		if known.Name == name && given == (known.Value != "") {
			return known.set(m, value, now)
		}
		if known.Value != "" {
			known.Name += "=" + known.Value
		}
		names = append(names, known.Name)
	}
	return fmt.Errorf("it is none of %s", strings.Join(names, ", "))
}

// certificates lets the misbehaviour answer for next, which serves a certificate
// endpoint. The control plane's other actions are next's.
func (m misbehaviour) certificates(next http.HandlerFunc) http.HandlerFunc {
	if m.certificate == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.URL.Query().Get("Action") != actionCertificate {
			next(w, r)
			return
		}
		m.certificate(w, r)
	}
}

// misbehaving wraps what answers the chats.
func (s *Server) misbehaving(next http.Handler) http.Handler {
	if wrap := s.misbehaviour.reply; wrap != nil {
		next = wrap(next)
	}
	every := s.misbehaviour.rotateEvery
	if every == 0 {
		return next
	}
	var chats atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if chats.Add(1)%every == 0 {
			if err := s.Rotate(); err != nil {
				s.o.Log.Error().Err(err).Msg("the endpoint's key could not be rotated")
			}
		}
		next.ServeHTTP(w, r)
	})
}
