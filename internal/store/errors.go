package store

import "errors"

// ErrUnchanged is what the function given to Update answers when nothing is to be changed. It never reaches the caller of Update.
var ErrUnchanged = errors.New("unchanged")

// ErrNewerSchema is for a file that was written by a newer version of this program.
var ErrNewerSchema = errors.New("the database was written by a newer version of this program")
