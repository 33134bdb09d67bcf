package volcsign

import (
	"encoding/hex"
	"errors"
	"net/http"
	"time"
)

// Signer signs requests with one access key. Safe for concurrent use.
type Signer struct {
	Credentials // required

	Region  string           // required, e.g. cn-beijing
	Service string           // required, e.g. ark
	Now     func() time.Time // nil = time.Now
}

// Sign sets X-Date, X-Content-Sha256, X-Security-Token if there is a session
// token, and Authorization on req. Nothing of what is signed may be changed
// after that: method, URL, Host, Content-Type, Content-Md5 and every X- header.
// body is what req will send; Sign does not read req.Body.
func (s *Signer) Sign(req *http.Request, body []byte) error {
	if s.AccessKey == "" || s.SecretKey == "" {
		return errors.New("signing an OpenAPI request: the access key or secret key is empty")
	}
	if s.Region == "" || s.Service == "" {
		return errors.New("signing an OpenAPI request: the region or service is empty")
	}
	date, hash := clock(s.Now).UTC().Format(timeFormat), hexHash(body)
	req.Header.Set(headerDate, date)
	req.Header.Set(headerHash, hash)
	if s.SessionToken != "" {
		req.Header.Set(headerToken, s.SessionToken)
	}
	a := authorization{
		accessKey: s.AccessKey,
		scope:     scope{day: date[:dayLength], region: s.Region, service: s.Service},
		signed:    signable(req),
	}
	sum, err := a.scope.sign(s.SecretKey, date, req, a.signed, hash)
	if err != nil {
		return err
	}
	a.signature = hex.EncodeToString(sum)
	req.Header.Set(headerAuth, a.String())
	return nil
}
