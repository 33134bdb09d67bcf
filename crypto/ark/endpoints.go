package ark

import (
	"net/http"
	"slices"
	"strings"
)

// BasePath is where Ark's data plane lives on every host.
const BasePath = "/api/v3"

// CertificatePath is the data-plane endpoint that hands out an endpoint's
// certificate; CertificateToken is the literal that its requests carry in place
// of a session token.
const (
	CertificatePath  = BasePath + "/e2e/get/certificate"
	CertificateToken = "/e2e/get/certificate"
)

// Headers of the protocol.
const (
	HeaderEncrypted       = "X-Is-Encrypted"
	HeaderSessionToken    = "X-Session-Token"
	HeaderEncryptInfo     = "X-Encrypt-Info"
	HeaderModerationScene = "X-Ark-Moderation-Scene"
)

// purpose is what the protocol can do for an endpoint.
type purpose int

const (
	unsealable  purpose = iota // carries content the protocol has no sealing for, or is unknown
	sealable                   // carries a chat
	contentless                // carries none
)

// sealablePaths are the endpoints whose content the protocol seals; every SDK of
// the vendor does so, but for its Go SDK's non-stream chats.
//
//nolint:gochecknoglobals // an immutable table
var sealablePaths = []string{BasePath + "/chat/completions", BasePath + "/batch/chat/completions"}

// SealablePaths are the endpoints whose content the protocol seals.
func SealablePaths() []string { return slices.Clone(sealablePaths) }

// purposeOf classifies by exact path: a path that is only similar is unknown, and
// so is that of a model whose name may be text.
func purposeOf(method, path string) purpose {
	if slices.Contains(sealablePaths, path) && method == http.MethodPost {
		return sealable
	}
	switch path {
	case CertificatePath:
		if method == http.MethodPost {
			return contentless
		}
	case BasePath + "/models":
		if method == http.MethodGet || method == http.MethodHead {
			return contentless
		}
	default:
		id, ok := strings.CutPrefix(path, BasePath+"/models/")
		if ok && id != "" && !strings.Contains(id, "/") && isWord([]byte(id)) && (method == http.MethodGet || method == http.MethodHead) {
			return contentless
		}
	}
	return unsealable
}

// endpointLabel names an endpoint for logs and metrics, with bounded cardinality.
func endpointLabel(method, path string) string {
	switch {
	case purposeOf(method, path) == unsealable:
		return "other"
	case strings.HasPrefix(path, BasePath+"/models/"):
		return BasePath + "/models/{id}"
	default:
		return path
	}
}
