package apikey

import (
	"net/http"

	"sealcar/apierror"
)

// unavailable is a failure that may pass.
func unavailable(message string, cause error) *apierror.Error {
	return &apierror.Error{Status: http.StatusServiceUnavailable, Code: "api_key_unavailable", Message: message, Cause: cause}
}
