package images

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"sealcar/apierror"
	"sealcar/netguard"
)

// What can be wrong with an image.
var (
	errAddress   = errors.New("its address cannot be read")
	errDowngrade = errors.New("it is redirected from https to http")
	errRedirects = fmt.Errorf("it is redirected more than %d times", maxRedirects)
	errType      = errors.New("it is not a PNG, JPEG, GIF, WebP or BMP image by both its Content-Type and its first bytes")
	errSize      = errors.New("it is larger than inline_images.max_bytes")
	errRoom      = errors.New("with it the request is larger than limits.request_bytes")
	errTimeout   = errors.New("it did not come within inline_images.timeout")
)

// statusError is an answer without an image.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("its server answered with status %d", int(e)) }

// permanent tells that asking again would not help.
func (e statusError) permanent() bool {
	return e < 500 && e != http.StatusRequestTimeout && e != http.StatusTooManyRequests
}

// explain is the refusal of a request for the image at path. Neither its message
// nor its cause hold the image's address, which err may quote.
func explain(err error, path string) error {
	if full, ok := errors.AsType[*apierror.Error](err); ok {
		return full // there is no room in memory, which is no fault of the image
	}
	status, answered := errors.AsType[statusError](err)
	_, elsewhere := errors.AsType[*netguard.AddressError](err)
	switch {
	case errors.Is(err, errSize), errors.Is(err, errRoom):
		return imageFault(http.StatusBadRequest, "image_too_large", path, known(err), "Send a smaller one, or raise the limit.")
	case errors.Is(err, errType):
		return imageFault(http.StatusBadRequest, "image_unsupported", path, errType, "Send it as a data: URL if it is an image.")
	case errors.Is(err, errAddress), errors.Is(err, errDowngrade):
		return imageFault(http.StatusBadRequest, "image_refused", path, known(err), "Send its final https address, or a data: URL.")
	case elsewhere:
		return imageFault(http.StatusBadRequest, "image_refused", path, errors.New("it is in a network where no images are fetched from"), "inline_images.addresses: private allows your own networks; or send a data: URL.")
	case errors.Is(err, netguard.ErrRefused):
		return imageFault(http.StatusBadRequest, "image_refused", path, errors.New("its host, port or scheme is not one where images are fetched from"), "See inline_images.allowed_hosts; or send a data: URL.")
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return imageFault(http.StatusGatewayTimeout, "image_timeout", path, errTimeout, "Try again, or raise the setting.")
	case answered:
		e := imageFault(http.StatusBadGateway, "image_unreachable", path, status, "Check the address.")
		e.NoRetry = status.permanent()
		return e
	default:
		return imageFault(http.StatusBadGateway, "image_unreachable", path, trouble(err), "Check the address, or send a data: URL.")
	}
}

// known is the one of our own errors that err wraps.
func known(err error) error {
	for _, e := range []error{errAddress, errDowngrade, errSize, errRoom} {
		if errors.Is(err, e) {
			return e
		}
	}
	return err
}

// trouble says in plain words why there was no answer.
func trouble(err error) error {
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return errors.New("the name of its server does not resolve")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errors.New("the TLS certificate of its server does not verify")
	}
	if errors.Is(err, errRedirects) {
		return errRedirects
	}
	return errors.New("the connection to its server failed or broke off")
}

func imageFault(status int, code, path string, why error, hint string) *apierror.Error {
	return &apierror.Error{
		Status: status, Code: code, Param: path, Cause: why,
		Message: fmt.Sprintf("The image at %s cannot be fetched, so nothing was sent: %v. %s", path, why, hint),
	}
}

func tooMany(path string, limit int) *apierror.Error {
	return &apierror.Error{
		Status: http.StatusBadRequest, Code: "image_too_many", Param: path,
		Message: fmt.Sprintf("The request links more than %d images, so nothing was sent. Send fewer, send them as data: URLs, or raise inline_images.max_images.", limit),
	}
}
