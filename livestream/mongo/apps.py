"""Django's own applications on MongoDB: with its kind of key, and migrations made for that."""

from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class Admin(AdminConfig):
    default_auto_field = OBJECT_ID


class Auth(AuthConfig):
    default_auto_field = OBJECT_ID


class ContentTypes(ContentTypesConfig):
    default_auto_field = OBJECT_ID
