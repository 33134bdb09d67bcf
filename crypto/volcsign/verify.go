package volcsign

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// DefaultSkew is how far a request's date may be from the verifier's clock if
// the Verifier does not say otherwise.
const DefaultSkew = 15 * time.Minute

// Why a request is refused; every error of Verify is one of these. None holds
// any key, signature or body.
var (
	ErrMissing          = errors.New("the request is not signed")
	ErrMalformed        = errors.New("the request or its signature is malformed")
	ErrUnsigned         = errors.New("the signature leaves out a header that it must cover")
	ErrExpired          = errors.New("the request's date is outside the allowed skew")
	ErrScope            = errors.New("the signature is for another date, region or service")
	ErrBody             = errors.New("the body is not the one that was signed")
	ErrUnknownAccessKey = errors.New("the access key is unknown")
	ErrSignature        = errors.New("the signature does not match")
)

// Verifier checks requests that a Signer, or one of the vendor's SDKs, signed.
// Safe for concurrent use.
type Verifier struct {
	Secret  func(accessKey string) (secret string, ok bool) // required
	Region  string                                          // required: the only one accepted
	Service string                                          // required: the only one accepted
	Now     func() time.Time                                // nil = time.Now
	Skew    time.Duration                                   // 0 = DefaultSkew
}

// Verify gives the access key that signed req with this body. It does not read
// req.Body.
func (v *Verifier) Verify(req *http.Request, body []byte) (accessKey string, err error) {
	value, err := single(req, headerAuth)
	if err != nil {
		return "", err
	}
	a, err := parseAuthorization(value)
	if err != nil {
		return "", err
	}
	if err := coverage(req, a.signed); err != nil {
		return "", err
	}
	date, err := v.date(req)
	if err != nil {
		return "", err
	}
	if want := (scope{day: date[:dayLength], region: v.Region, service: v.Service}); a.scope != want {
		return "", fmt.Errorf("%w: %q, wanted %q", ErrScope, a.scope, want)
	}
	hash := hexHash(body)
	if sent, err := single(req, headerHash); err != nil {
		return "", err
	} else if sent != hash {
		return "", fmt.Errorf("%w: %s differs", ErrBody, headerHash)
	}
	secret, ok := v.Secret(a.accessKey)
	if !ok || secret == "" { // an empty secret would be one that everybody knows
		return "", ErrUnknownAccessKey
	}
	if err := a.check(secret, date, req, hash); err != nil {
		return "", err
	}
	return a.accessKey, nil
}

// check compares the signature with the right one, in constant time.
func (a authorization) check(secret, date string, req *http.Request, bodyHash string) error {
	want, err := a.scope.sign(secret, date, req, a.signed, bodyHash)
	if err != nil {
		return err
	}
	got, err := hex.DecodeString(a.signature)
	if err != nil || !hmac.Equal(got, want) {
		return ErrSignature
	}
	return nil
}

// date is the request's X-Date, if it is near enough.
func (v *Verifier) date(req *http.Request) (string, error) {
	date, err := single(req, headerDate)
	if err != nil {
		return "", err
	}
	t, err := time.Parse(timeFormat, date)
	if err != nil || t.Format(timeFormat) != date { // Parse takes fractions of a second too
		return "", fmt.Errorf("%w: %s is not of the form yyyymmddThhmmssZ", ErrMalformed, headerDate)
	}
	skew := v.Skew
	if skew == 0 {
		skew = DefaultSkew
	}
	if clock(v.Now).Sub(t).Abs() > skew {
		return "", fmt.Errorf("%w of %v: %s", ErrExpired, skew, date)
	}
	return date, nil
}

// coverage refuses a signature that says nothing about a header that matters.
func coverage(req *http.Request, signed []string) error {
	due := []string{headerHost, headerDate, headerHash}
	for _, name := range []string{headerType, headerToken} {
		if len(req.Header.Values(name)) > 0 {
			due = append(due, name)
		}
	}
	for _, name := range due {
		if !slices.Contains(signed, strings.ToLower(name)) {
			return fmt.Errorf("%w: %s", ErrUnsigned, name)
		}
	}
	return nil
}

// single is the one value of a header; two would leave open which one was meant.
func single(req *http.Request, name string) (string, error) {
	switch values := req.Header.Values(name); len(values) {
	case 0:
		return "", fmt.Errorf("%w: it has no %s header", ErrMissing, name)
	case 1:
		return values[0], nil
	default:
		return "", fmt.Errorf("%w: it has %d %s headers", ErrMalformed, len(values), name)
	}
}
