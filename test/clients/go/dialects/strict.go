package main

import (
	"fmt"
	"reflect"
	"slices"
)

// field is what the SDK keeps of a member beside its value.
type field interface {
	Raw() string // "" if the reply has none
	Valid() bool // it is there, not null, and of the right type
}

// strict tells whether a reply is what its type in the SDK says: every required
// member there, none unknown, of a union a variant that there is. The SDK
// itself takes less.
func strict(reply any) error { return strictAt(reflect.ValueOf(reply), reflect.TypeOf(reply).String()) }

// beyondTheSDK are members that OpenAI's API reference has, or had, and the SDK's
// types lack: of a response, and of response.function_call_arguments.done.
func beyondTheSDK() []string { return []string{"store", "name"} }

func strictAt(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return fmt.Errorf("%s: no variant of the union fits", path)
		}
		return strictAt(v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			if err := strictAt(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if variant := v.MethodByName("AsAny"); variant.IsValid() {
			return strictAt(variant.Call(nil)[0], path)
		}
		if known := v.FieldByName("JSON"); known.IsValid() {
			return strictMembers(v, known, path)
		}
	}
	return nil
}

func strictMembers(v, known reflect.Value, path string) error {
	if extra := known.FieldByName("ExtraFields"); extra.IsValid() {
		for _, name := range extra.MapKeys() {
			if !slices.Contains(beyondTheSDK(), name.String()) {
				return fmt.Errorf("%s: unknown member %s", path, name)
			}
		}
	}
	for i := range v.NumField() {
		member := v.Type().Field(i)
		of := known.FieldByName(member.Name)
		if !of.IsValid() {
			continue
		}
		is, ok := reflect.TypeAssert[field](of)
		if !ok {
			continue
		}
		_, constant := member.Tag.Lookup("default")
		switch required := member.Tag.Get("api") == "required" || constant; {
		case is.Raw() == "" && required:
			return fmt.Errorf("%s.%s: missing", path, member.Name)
		case is.Raw() != "" && is.Raw() != "null" && !is.Valid():
			return fmt.Errorf("%s.%s: %.200s is of another type", path, member.Name, is.Raw())
		case is.Valid():
			if err := strictAt(v.Field(i), path+"."+member.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
