package volcsign

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// The members of an Authorization header, in their order.
const (
	credential    = "Credential"
	signedHeaders = "SignedHeaders"
	signature     = "Signature"

	credentialParts = 5               // access key, day, region, service, "request"
	signatureLength = 2 * sha256.Size // hex characters
)

// authorization is the value of the Authorization header:
//
//	HMAC-SHA256 Credential=AK/day/region/service/request, SignedHeaders=a;b, Signature=hex
type authorization struct {
	accessKey string
	scope     scope
	signed    []string // sorted, in lower case
	signature string   // hex
}

func (a authorization) String() string {
	return fmt.Sprintf("%s %s=%s/%s, %s=%s, %s=%s", algorithm,
		credential, a.accessKey, a.scope,
		signedHeaders, strings.Join(a.signed, ";"),
		signature, a.signature)
}

// parseAuthorization is strict: three members, in this order. Its errors do not
// quote the value.
func parseAuthorization(value string) (authorization, error) {
	var a authorization
	list, ok := strings.CutPrefix(value, algorithm+" ")
	if !ok {
		return a, fmt.Errorf("%w: Authorization is not of the form %s …", ErrMalformed, algorithm)
	}
	members := strings.Split(list, ",")
	names := []string{credential, signedHeaders, signature}
	if len(members) != len(names) {
		return a, fmt.Errorf("%w: Authorization has not the members %s", ErrMalformed, strings.Join(names, ", "))
	}
	for i, name := range names {
		if members[i], ok = strings.CutPrefix(strings.TrimSpace(members[i]), name+"="); !ok {
			return a, fmt.Errorf("%w: Authorization has no %s where it is due", ErrMalformed, name)
		}
	}
	parts := strings.Split(members[0], "/")
	if len(parts) != credentialParts || parts[0] == "" || parts[credentialParts-1] != terminator {
		return a, fmt.Errorf("%w: Credential is not AK/date/region/service/%s", ErrMalformed, terminator)
	}
	a.accessKey, a.scope = parts[0], scope{day: parts[1], region: parts[2], service: parts[3]}
	a.signed, a.signature = strings.Split(members[1], ";"), members[2]
	if !sortedNames(a.signed) {
		return a, fmt.Errorf("%w: SignedHeaders are not lower-case names in order", ErrMalformed)
	}
	if len(a.signature) != signatureLength {
		return a, fmt.Errorf("%w: Signature has not %d characters", ErrMalformed, signatureLength)
	}
	return a, nil
}

// sortedNames says whether names is strictly ascending and in lower case: one
// set of headers has one form.
func sortedNames(names []string) bool {
	for i, name := range names {
		if name == "" || name != strings.ToLower(name) || (i > 0 && names[i-1] >= name) {
			return false
		}
	}
	return true
}
