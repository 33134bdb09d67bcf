package ark

import (
	"fmt"
	"mime"
	"net/http"
	"strings"

	"sealcar/apierror"
	"sealcar/payload"
	"sealcar/rewrite"
)

// checkContentHeaders refuses bodies that another reader could take for
// something else than the JSON that was checked.
func checkContentHeaders(h http.Header) error {
	if len(h["Content-Type"]) != 1 || payload.MediaType(h) != "application/json" {
		return apierror.BadRequest("unsupported_content_type", "Content-Type", "this endpoint takes one Content-Type, application/json; nothing was sent")
	}
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if charset := params["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return apierror.BadRequest("unsupported_content_type", "Content-Type", "the body must be UTF-8; nothing was sent")
	}
	if e := h.Values("Content-Encoding"); len(e) > 1 || len(e) == 1 && !strings.EqualFold(e[0], "identity") {
		return apierror.BadRequest("unsupported_content_encoding", "Content-Encoding", "a compressed request cannot be sealed; nothing was sent. Send it without Content-Encoding")
	}
	return nil
}

// checkUnsealed checks a request that is not sealed here and carries no session
// of the application's: any session token but the literal one of the certificate
// endpoint would claim what is not so.
func checkUnsealed(req *http.Request) error {
	tokens, present := req.Header[HeaderSessionToken]
	literal := req.URL.Path == CertificatePath && len(tokens) == 1 && tokens[0] == CertificateToken
	if present && !literal {
		return apierror.BadRequest("invalid_session_token", HeaderSessionToken, "this endpoint takes no session token; nothing was sent")
	}
	return nil
}

//nolint:gochecknoglobals // an immutable table
var certificateShape = &rewrite.Shape{Name: "body", Fields: map[string]*rewrite.Shape{
	"model": {Name: "model"},
	"type":  {Name: "type"},
}, Other: &rewrite.Shape{Name: "other"}}

// checkContentless refuses content on endpoints that carry none. The certificate
// endpoint is told a model and a type, and nothing else.
func checkContentless(req *http.Request, body []byte) error {
	if req.Method != http.MethodPost {
		if len(body) > 0 {
			return apierror.BadRequest("unexpected_body", "", fmt.Sprintf("%s %.80s takes no body; nothing was sent", req.Method, req.URL.Path))
		}
		return nil
	}
	err := rewrite.Scan(body, certificateShape, func(v rewrite.Value) error {
		switch v.Name {
		case "other":
			return apierror.BadRequest("unexpected_body", v.Path(), "the certificate endpoint takes a model and a type; nothing was sent")
		case "body":
			return payload.MustBe(v, "{}", "an object")
		default:
			if v.Kind == '"' && !isWord(body[v.Start+1:v.End-1]) {
				return apierror.BadRequest("unexpected_body", v.Path(), v.Path()+" is no name, which is one word of at most 128 letters, digits and _-.:/@+|; nothing was sent")
			}
			return payload.MustBe(v, `"`, "a string")
		}
	})
	return requestFault(err)
}

// checkNames refuses headers that only look different from the protocol's: many
// servers read an underscore as a hyphen (oauth2-proxy, CVE-2025-64484).
func checkNames(h http.Header) error {
	for name := range h {
		if !strings.Contains(name, "_") {
			continue
		}
		switch http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-")) {
		case HeaderSessionToken, HeaderEncrypted, HeaderEncryptInfo, HeaderModerationScene, "Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Authorization":
			return apierror.BadRequest("invalid_header", fmt.Sprintf("%.40s", name), fmt.Sprintf("%.40s", name)+" could be taken for one of the protocol's; nothing was sent. Leave it out")
		}
	}
	return nil
}

// checkAppSealed decides whether a request that says it is sealed may pass
// untouched: only if nothing in it could be read. A junk token must not become a
// way round the seal.
func checkAppSealed(h http.Header, body []byte, chat *chatRequest) error {
	if e := h[HeaderEncrypted]; len(e) != 1 || e[0] != "true" {
		return apierror.BadRequest("invalid_session_token", HeaderEncrypted, "a request with X-Session-Token must also carry x-is-encrypted: true; leave both out to have sealcar seal it")
	}
	tokens := h[HeaderSessionToken]
	if len(tokens) != 1 {
		return apierror.BadRequest("invalid_session_token", HeaderSessionToken, "the request carries more than one session token; nothing was sent")
	}
	if err := CheckToken(tokens[0]); err != nil {
		e := apierror.BadRequest("invalid_session_token", HeaderSessionToken, "the session token is not an uncompressed P-256 point in base64; nothing was sent. Leave the header out to have sealcar seal the request")
		e.Cause = err
		return e
	}
	var work stringWork
	for _, span := range chat.secret {
		text, err := work.text(body[span.Start:span.End])
		if err != nil {
			return err
		}
		// An empty string says nothing; the vendor's Go SDK leaves empty text parts as they are.
		if len(text) > 0 && !LooksSealed(text) {
			return apierror.BadRequest("content_not_sealed", "messages", "the request says that it is sealed, but some of its content is in clear; nothing was sent. Turn the application's own encryption off to have sealcar seal it (the vendor's Go SDK leaves chats that do not stream in clear)")
		}
	}
	return nil
}
