package payload

import (
	"cmp"
	"strings"

	"sealcar/apierror"
	"sealcar/rewrite"
)

// MustBe is a 400 unless v, a value of a request, is of one of the kinds, as
// rewrite.Value.Kind has them; what names them.
func MustBe(v rewrite.Value, kinds, what string) error {
	if strings.IndexByte(kinds, v.Kind) >= 0 {
		return nil
	}
	return apierror.BadRequest("invalid_request", v.Path(), cmp.Or(v.Path(), "the body")+" must be "+what+"; nothing was sent")
}
