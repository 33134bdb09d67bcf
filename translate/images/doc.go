// Package images turns linked images of a chat into sealed ones: it fetches what
// image_url.url names by http(s) and puts it into the request as a data: URL,
// which the protocol behind it seals as any other content. Without it the image's
// address, and with it the image, would be known to whoever sees the request.
//
// Start at Transport (transport.go), an http.RoundTripper in front of the one
// that seals. links.go finds the addresses, fetch.go gets what they name, fault.go
// says what went wrong.
//
// A chat that would be refused for something else is refused before any image is
// fetched, for a fetch tells others of it: Transport.Judge is asked first.
//
// What is refused, as an *apierror.Error with the image's JSON path and before
// anything is sent: addresses that Out does not go to, more than three redirects,
// a redirect from https to http, what is not plainly an image (by its
// Content-Type and by its first bytes), too large or too many images, and images
// that take too long. A body that is no strict JSON passes as it is: who seals it
// refuses it and says where. Addresses never appear in errors.
package images
