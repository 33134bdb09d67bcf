// Package certtest makes keys and certificates for tests, as httptest makes servers.
// What a certificate says is each test's own, in the template that it gives to Sign.
package certtest
