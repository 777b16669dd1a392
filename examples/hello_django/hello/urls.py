"""Which view answers which path."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("square/<int:number>/", views.square, name="square"),
]
