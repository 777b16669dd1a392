"""The pages."""

import django
from django.http import JsonResponse
from django.shortcuts import render


def index(request):
    return render(
        request,
        "index.html",
        {
            "version": django.get_version(),
            "generation": request.META.get("moult.generation", "?"),
        },
    )


def square(request, number):
    return JsonResponse({"number": number, "square": number * number})
