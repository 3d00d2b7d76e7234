// Package catalog knows which services there are: what it hands out for a job
// has passed the service's own description, and no mistake in one description
// takes another service or the server down.
//
// A service is a folder with a service.yaml, or an app spec of BV-BRC (relaxed
// JSON). Both become the same thing, a Service, whose parameters are described
// by the messages of the API itself. A Catalog never changes once loaded; Live holds the
// current one and replaces it as a whole.
//
// Parameters are data all the way: Check refuses what a command could trip
// over, params.json carries everything, and the environment carries single
// values under names that begin with STINT_PARAM_, so that nothing a user sends
// can become a word of a shell, an option of the loader or a PATH.
package catalog
