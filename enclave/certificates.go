package enclave

import (
	"crypto/x509"
	"encoding/json"
	"net/http"

	"sealcar/crypto/ark"
)

// serveCertificate is the data plane's way to the endpoint's certificate:
// POST /api/v3/e2e/get/certificate. Any model has the one certificate there is.
func (s *Server) serveCertificate(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(ark.HeaderSessionToken) != ark.CertificateToken {
		invalid("InvalidParameter", ark.HeaderSessionToken, "this endpoint wants the header literally as "+ark.CertificateToken).write(w)
		return
	}
	body, err := readControl(w, r)
	if err != nil {
		status, message := unreadable(err)
		arkError{Status: status, Code: "InvalidRequest", Type: "BadRequest", Message: message}.write(w)
		return
	}
	var request struct {
		Model string `json:"model"`
		Type  string `json:"type"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		invalid("InvalidParameter", "", `the body is not of the form {"model":"…"}`).write(w)
		return
	}
	if request.Model == "" {
		invalid("MissingParameter", "model", "the body names no model").write(w)
		return
	}
	if request.Model == s.misbehaviour.noCertificateFor {
		certificate500(w, r)
		return
	}
	leaf, ok := s.pki.Load().leafFor(request.Type)
	if !ok {
		invalid("InvalidParameter", "type", "type is to be left out, or "+ark.AICCVersion).write(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"Certificate": string(encodePEM(leaf))})
}

// leafFor is the endpoint's certificate of a type as requests name it.
func (p *pki) leafFor(kind string) (leaf *x509.Certificate, ok bool) {
	switch kind {
	case "":
		return p.leaf, true
	case ark.AICCVersion:
		return p.aiccLeaf, true
	default:
		return nil, false
	}
}
