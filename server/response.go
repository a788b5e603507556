package server

import "net/http"

// A response is what every handler of a [Server] writes to. It marks errors as not cacheable, even where
// [http.ServeContent] has removed the Cache-Control header.
type response struct {
	http.ResponseWriter
	rest func() // writes the rest, once the handlers have returned; nil if there is none
}

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the underlying writer, for [http.ResponseController].
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// respond returns a handler that gives next a response, and writes the rest of it after next.
func respond(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := &response{ResponseWriter: w}
		next.ServeHTTP(own, r)
		if own.rest != nil {
			own.rest()
		}
	})
}
